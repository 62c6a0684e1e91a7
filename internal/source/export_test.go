package source

import "time"

// KeepFor makes a queue keep messages from others for so long at a time.
func KeepFor(s Source, d time.Duration) { s.(*queue).visibility = d }
