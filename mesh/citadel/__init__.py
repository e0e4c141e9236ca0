"""citadel"""
