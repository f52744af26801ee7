//go:build !linux

package image

import "os"

// openDirect is for Linux; elsewhere contents go through the cache.
func openDirect(string) *os.File { return nil }

func isRefusal(error) bool { return false }
