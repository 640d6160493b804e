"""Pictures that travel with the sound, as containers hold them."""

import base64
import struct

from flowaudio.core.errors import ParameterError
from flowaudio.io.info import Cover

__all__ = ["check_cover", "picture_block"]

_SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


def check_cover(cover: Cover) -> None:
    """Make sure that every container takes the picture. ParameterError otherwise."""
    signature = _SIGNATURES.get(cover.mime)
    if signature is None or not cover.data.startswith(signature):
        raise ParameterError(f"cover must be a JPEG or PNG file under its own MIME type (got {cover.mime}); convert it")


def picture_block(cover: Cover) -> str:
    """The picture as Ogg comments hold it: FLAC's picture block (RFC 9639, section 8.8) in base64."""
    mime = cover.mime.encode()
    front_cover, no_text, unknown = 3, 0, 0
    head = struct.pack(f">II{len(mime)}sI", front_cover, len(mime), mime, no_text)
    sizes = struct.pack(">IIIII", unknown, unknown, unknown, unknown, len(cover.data))
    return base64.b64encode(head + sizes + cover.data).decode()
