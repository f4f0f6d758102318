"""What the platform's rules would have done on months that never were: `tips rehearse`.

Months are drawn and played through the platform's own functions, without MLflow, files or servers.
"""
