"""Fleets on Azure: one virtual machine scale set for each revision."""

from immutable_azure.backend import AzureBackend

__all__ = ["AzureBackend"]
