//go:build race

package main

// raceDetector tells that memory and time are the race detector's, not the
// program's.
const raceDetector = true
