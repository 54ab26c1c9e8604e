"""The WSGI entry for a server: ``connectors.wecom.sandbox.app:application``.

Importing this module starts the sandbox that the environment describes, with its
clock and callback threads; run it with exactly one worker process, since the state is
in memory.
"""

import os

from connectors.wecom.sandbox.sender import Sender
from connectors.wecom.sandbox.service import Sandbox
from connectors.wecom.sandbox.settings import SandboxSettings
from connectors.wecom.sandbox.wsgi import Application

_sandbox = Sandbox(SandboxSettings.from_environment(os.environ))
Sender(_sandbox).start()
application = Application(_sandbox)
