"""The demo: a company one can click through, and the main job run on it."""
