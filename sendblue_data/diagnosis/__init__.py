"""The doctor: what holds of an account, line by line, before the first pull.

`connection` finds the host, `survey` sends the other requests through a `probe`, and `listing`, `contents` and
`service` turn what came into findings. No text of a server or a contact gets that far: findings are made of counts
and of words that stand in this package.
"""
