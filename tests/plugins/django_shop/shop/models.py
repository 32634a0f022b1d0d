from __future__ import annotations

from django.db import models


class Order(models.Model):
    number = models.IntegerField(primary_key=True)
    reference = models.TextField()
    status = models.TextField(default="")

    def __str__(self):
        return f"order {self.number}"


class Reply(models.Model):
    key = models.TextField(primary_key=True)
    words = models.TextField()

    def __str__(self):
        return self.key
