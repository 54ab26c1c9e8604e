"""Tests of the WeCom sandbox, over real HTTP."""
