"""Control groups: v2, v1 and hybrid hosts behind one class."""

from isolib.handles.cgroup.group import CGroup as CGroup
