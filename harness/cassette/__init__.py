"""Recorded traffic: exchanges, how requests are matched to them, what a miss means, the file format."""
