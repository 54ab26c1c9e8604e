"""The Django app `crm`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    """The work and the screens: access, views, forms, REST API."""

    name = "crm"
    verbose_name = _("CRM")
    default_auto_field = "django.db.models.BigAutoField"
