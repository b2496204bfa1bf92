"""pytester runs pytest inside tests of the plugin; pytest takes such a line from here alone."""

pytest_plugins = ["pytester"]
