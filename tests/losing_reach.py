"""What happens to a marketer of one store, so that they may not send to its customers any more."""

from contacts.enums import Role, Scope, StaffState
from contacts.models import Staff
from tests.builders import make_store


def lose_the_role(staff: Staff) -> None:
    """They look after customers of their own from now on."""
    staff.roles.update(role=Role.GUIDE, scope=Scope.OWN)


def lose_all_roles(staff: Staff) -> None:
    """They may do nothing any more."""
    staff.roles.all().delete()


def move_to_another_store(staff: Staff) -> None:
    """They reach the customers of another store."""
    staff.store = make_store("Far away")
    staff.save()


def be_suspended(staff: Staff) -> None:
    """They are not at work."""
    staff.state = StaffState.SUSPENDED
    staff.save()
