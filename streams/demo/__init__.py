"""`streams demo`: the main job on a real access log, with an embedded broker and two workers."""
