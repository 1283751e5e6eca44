"""Bytes that went through the edge, by service and day, and what they cost beyond what plans include
(`docs/decisions/0036-addons-and-traffic.md`).
"""
