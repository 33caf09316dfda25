//go:build !unix

package main

// noCore does nothing: Windows writes no dump of a program unless an administrator has asked for it.
func noCore() {}
