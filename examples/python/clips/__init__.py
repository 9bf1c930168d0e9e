"""Clips to order: a prompt comes in, fal makes the clip, its MP4 is kept."""
