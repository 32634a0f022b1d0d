"""A project without routes."""

from __future__ import annotations

urlpatterns = []
