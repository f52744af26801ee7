//go:build race

package hostile

// raceDetector says that everything takes several times what it does otherwise.
const raceDetector = true
