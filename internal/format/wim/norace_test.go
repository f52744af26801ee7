//go:build !race

package wim

const raceDetector = false
