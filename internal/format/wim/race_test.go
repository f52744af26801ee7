//go:build race

package wim

// raceDetector says that sync.Pool drops things at random.
const raceDetector = true
