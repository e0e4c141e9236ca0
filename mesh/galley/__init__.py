"""galley"""
