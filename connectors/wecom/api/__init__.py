"""One typed function per endpoint of WeCom, called after it, grouped as its documentation is.

Every function takes the client first and raises what ``WeComClient.call`` raises. What WeCom
adds or leaves out does not disturb: unknown fields are ignored, missing ones are empty.
"""
