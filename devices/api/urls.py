"""The fleet's endpoints."""

from django.urls import path

from devices.api.enrollment import ConsentView, EnrollView
from devices.api.erasure import EraseView, ErasureView
from devices.api.vitals import VitalsView

urlpatterns = [
    path("devices/enroll/", EnrollView.as_view()),
    path("devices/me/consent/", ConsentView.as_view()),
    path("devices/me/erase/", EraseView.as_view()),
    path("erasures/<uuid:request_id>/", ErasureView.as_view()),
    path("vitals/", VitalsView.as_view()),
]
