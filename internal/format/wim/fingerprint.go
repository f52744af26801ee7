package wim

import "crypto/sha1"

// Fingerprint returns the SHA-1 of an image's metadata, as the blob table gives it. The metadata
// names every file with the SHA-1 of its content, so that two images with the same fingerprint hold
// the same. index counts from 1 and is one of Images.
func (f *File) Fingerprint(index int) [sha1.Size]byte { return f.metadata[index-1].SHA1() }
