package notify

import "github.com/athenatrail/athenatrail/internal/lake"

// LakeOf returns the dispatcher's lake.
func LakeOf(d *Dispatcher) *lake.Lake { return d.lake }
