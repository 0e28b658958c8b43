"""The endpoints of crashes."""

from django.urls import path

from crashes.api.debug_files import DebugFileUploadView
from crashes.api.uploads import ReportUploadView

urlpatterns = [
    path("debug-files/", DebugFileUploadView.as_view()),
    path("reports/", ReportUploadView.as_view()),
]
