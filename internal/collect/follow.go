package collect

import (
	"context"
	"errors"
	"time"
)

// Follow runs again and again until stop is closed or ctx ends. Between the
// end of a run and the next lie interval, or nothing where a queue has more.
// Options makes the options of each run, and told is told how it went: a run
// that fails does not end the following, and the next comes after a pause that
// grows up to sixteen intervals.
//
// It returns nil when it was stopped, after the run under way has stored what
// it read.
func Follow(ctx context.Context, stop <-chan struct{}, interval time.Duration, options func(context.Context) (Options, error), told func(*Summary, time.Duration, error)) error {
	pause := interval
	for {
		begun := time.Now()
		sum, err := followOnce(ctx, stop, options)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		told(sum, time.Since(begun), err)
		switch {
		case err != nil:
			pause = min(2*pause, 16*interval)
		case sum.More:
			pause = 0
		default:
			pause = interval
		}
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = max(pause, interval)
	}
}

func followOnce(ctx context.Context, stop <-chan struct{}, options func(context.Context) (Options, error)) (*Summary, error) {
	o, err := options(ctx)
	if err != nil {
		return &Summary{}, err
	}
	o.Stop = stop
	sum, err := Run(ctx, o)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		err = nil
	}
	return sum, err
}
