"""The audio-processing module of a stream server: presets, the processor, mastering of files."""
