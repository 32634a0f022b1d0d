from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from .views import ship

urlpatterns = [
    path("admin/", admin.site.urls),
    path("ship/<int:number>", ship),
    path("sms/", include("smsbridge_django.urls")),
]
