"""The endpoints of crashes."""

from django.urls import path

from crashes.api.uploads import ReportUploadView

urlpatterns = [
    path("reports/", ReportUploadView.as_view()),
]
