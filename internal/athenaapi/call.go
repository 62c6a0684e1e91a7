package athenaapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// A retryPolicy says how a call that failed is repeated.
type retryPolicy struct {
	failures int           // calls in all, where Athena or the network failed
	rounds   int           // calls in all, where Athena left ids unprocessed
	base     time.Duration // the longest wait before the second call; then doubled
	most     time.Duration // the longest wait of all
}

var defaultRetry = retryPolicy{failures: 6, rounds: 4, base: 250 * time.Millisecond, most: 20 * time.Second}

// ask asks for one batch, and a few times more for those of its ids that
// Athena leaves unprocessed without saying that this is for good. It fails
// only before the first answer; after it, what a later call cannot tell stays
// unprocessed.
func (c *Client) ask(ctx context.Context, batch []Wanted) (answers []Answer, err error) {
	waiting := batch
	for round := 1; ; round++ {
		reply, err := c.call(ctx, waiting)
		if err != nil {
			if round == 1 {
				return nil, err
			}
			return append(answers, refused(waiting, err)...), nil
		}
		var again []Wanted
		for _, w := range waiting {
			execution, ok := reply.executions[w.ID]
			if ok {
				answers = append(answers, c.answer(w, execution))
				continue
			}
			unprocessed := reply.unprocessed[w.ID]
			outcome := unprocessed.outcome()
			if outcome == athenatrail.OutcomeUnprocessed && round < c.retry.rounds {
				again = append(again, w)
				continue
			}
			answers = append(answers, c.without(w, outcome, unprocessed.message()))
		}
		if len(again) == 0 {
			return answers, nil
		}
		waiting = again
		if err := c.retry.sleep(ctx, round); err != nil {
			return append(answers, refused(waiting, err)...), nil
		}
	}
}

// call makes one BatchGetQueryExecution, and makes it again while Athena
// throttles, and a bounded number of times when it fails otherwise.
func (c *Client) call(ctx context.Context, batch []Wanted) (reply, error) {
	ids := make([]string, len(batch))
	for i, w := range batch {
		ids[i] = w.ID
	}
	failures, throttles := 0, 0
	for {
		if err := c.pace.wait(ctx); err != nil {
			return reply{}, err
		}
		var raw capture
		_, err := c.api.BatchGetQueryExecution(ctx, &athena.BatchGetQueryExecutionInput{QueryExecutionIds: ids},
			func(o *athena.Options) { o.APIOptions = append(o.APIOptions, raw.add) })
		if ok := raw.status == http.StatusOK && raw.err == nil; ok && (err == nil || isDecoding(err)) {
			// The body is read here, not by the SDK, whose types may lag
			// behind what Athena sends.
			r, decodeErr := decodeReply(raw.body)
			if decodeErr == nil {
				c.pace.answered()
				return r, nil
			}
			err = decodeErr
		}
		if ctx.Err() != nil {
			return reply{}, ctx.Err()
		}
		wait := 0
		switch {
		case isThrottled(err):
			c.pace.throttled()
			throttles++
			wait = throttles
		case isTransient(err):
			failures++
			if failures >= c.retry.failures {
				return reply{}, fmt.Errorf("after %d calls: %w", failures, awsconn.Explained(err))
			}
			wait = failures
		default:
			return reply{}, awsconn.Explained(err)
		}
		if err := c.retry.sleep(ctx, wait); err != nil {
			return reply{}, err
		}
	}
}

func isThrottled(err error) bool {
	return awsconn.Throttled(err) || statusOf(err) == http.StatusTooManyRequests
}

func isDenied(err error) bool { return awsconn.Denied(err) }

func isInvalid(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "InvalidRequestException"
}

// isFatal is for what every other call would meet too.
func isFatal(err error) bool {
	return awsconn.BadCredentials(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isDecoding(err error) bool {
	var decoding *smithy.DeserializationError
	return errors.As(err, &decoding)
}

// isTransient is for what may go well a moment later: the server's own errors,
// cut connections, and answers that are not JSON.
func isTransient(err error) bool {
	if awsconn.BadCredentials(err) {
		return false
	}
	if retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool() {
		return true
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "InternalServerException", "InternalFailure", "ServiceUnavailable", "RequestTimeoutException":
			return true
		}
	}
	return statusOf(err) >= 500 || errors.Is(err, errReply)
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// messageOf is what Athena says in an error.
func messageOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return clip(api.ErrorMessage())
	}
	return clip(err.Error())
}

// invalidOutcome is what an InvalidRequestException means for an id that stands
// alone. Athena has no error of its own for an id that it does not know.
func invalidOutcome(err error) string {
	if saysNotFound(messageOf(err)) {
		return athenatrail.OutcomeNotFound
	}
	return athenatrail.OutcomeUnprocessed
}

func saysNotFound(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "not found") || strings.Contains(s, "notfound") ||
		strings.Contains(s, "does not exist") || strings.Contains(s, "doesn't exist")
}

func saysDenied(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "accessdenied") || strings.Contains(s, "access denied") ||
		strings.Contains(s, "not authorized") || strings.Contains(s, "unauthorized")
}

var deniedResource = regexp.MustCompile(`on resource: arn:aws[a-z-]*:athena:[a-z0-9-]*:[0-9]*:workgroup/([a-zA-Z0-9._-]{1,128})`)

// deniedWorkGroup returns the work group that an AccessDeniedException names,
// or "".
func deniedWorkGroup(message string) string {
	m := deniedResource.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return strings.TrimRight(m[1], ".")
}

// clip bounds what is stored of a message.
func clip(s string) string {
	const most = 2000
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
