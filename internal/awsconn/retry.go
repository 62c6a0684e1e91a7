package awsconn

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// throttledAttempts outlasts a throttle of about three minutes. Longer
	// ones are the caller's: athenaapi waits by itself.
	throttledAttempts = 15

	// failedAttempts is for what may also be wrong for good, such as a name
	// that does not resolve; about five seconds.
	failedAttempts = 5

	maxBackoff = 20 * time.Second
)

// newRetryer returns the SDK's standard retryer with exponential backoff and
// full jitter, without its client-side quota of retries: that would fail a long
// run in the middle of a throttle that ends.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = throttledAttempts
		o.MaxBackoff = maxBackoff
		o.RateLimiter = ratelimit.None
		o.Backoff = backoff{retry.NewExponentialJitterBackoff(maxBackoff)}
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(isCut))
	})
}

// A backoff gives up earlier on what is not throttling.
type backoff struct {
	delays *retry.ExponentialJitterBackoff
}

func (b backoff) BackoffDelay(attempt int, err error) (time.Duration, error) {
	if attempt >= failedAttempts && !Throttled(err) {
		return 0, &retry.MaxAttemptsError{Attempt: attempt, Err: err}
	}
	return b.delays.BackoffDelay(attempt, err)
}

// isCut is for answers that are no XML or JSON, as that of a connection is which
// ended in the middle of it. The SDK takes those for final.
func isCut(err error) aws.Ternary {
	if unreadable(err) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// unreadable tells that there was an answer, and that neither a result nor an
// error of the service could be read from it.
func unreadable(err error) bool {
	var decoding *smithy.DeserializationError
	var response *smithyhttp.ResponseError
	var sending *smithyhttp.RequestSendError // there was none
	var api smithy.APIError
	return errors.As(err, &decoding) || errors.As(err, &response) && !errors.As(err, &sending) && !errors.As(err, &api)
}
