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
				answers = append(answers, c.Answer(w, execution))
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

// call makes one BatchGetQueryExecution.
func (c *Client) call(ctx context.Context, batch []Wanted) (r reply, err error) {
	in := &athena.BatchGetQueryExecutionInput{}
	for _, w := range batch {
		in.QueryExecutionIds = append(in.QueryExecutionIds, w.ID)
	}
	err = c.send(ctx, OpBatchGetQueryExecution, maxReply, func(more func(*athena.Options)) error {
		_, err := c.api.BatchGetQueryExecution(ctx, in, more)
		return err
	}, func(body []byte) (err error) {
		r, err = decodeReply(body)
		return err
	})
	return r, err
}

// send makes one call, and makes it again while Athena throttles, and a
// bounded number of times when it fails otherwise. The reply, of at most so
// many bytes, is read by decode and not by the SDK, whose types may lag behind
// what Athena sends; an error of decode is a failure.
func (c *Client) send(ctx context.Context, operation string, most int, call func(more func(*athena.Options)) error, decode func(body []byte) error) error {
	pace := c.pacers.of(c.account, c.region, operation)
	failures, throttles := 0, 0
	for {
		if err := pace.wait(ctx); err != nil {
			return err
		}
		raw := capture{most: most}
		err := call(func(o *athena.Options) { o.APIOptions = append(o.APIOptions, raw.add) })
		if ok := raw.status == http.StatusOK && raw.err == nil; ok && (err == nil || isDecoding(err)) {
			if err = decode(raw.body); err == nil {
				pace.answered()
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := 0
		switch {
		case isThrottled(err):
			pace.throttled()
			throttles++
			wait = throttles
		case isTransient(err):
			failures++
			if failures >= c.retry.failures {
				return fmt.Errorf("after %d calls: %w", failures, awsconn.Explained(err))
			}
			wait = failures
		default:
			return awsconn.Explained(err)
		}
		if err := c.retry.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func isThrottled(err error) bool {
	return awsconn.Throttled(err) || statusOf(err) == http.StatusTooManyRequests
}

func isDenied(err error) bool { return awsconn.Denied(err) }

func isInvalid(err error) bool { return codeOf(err) == "InvalidRequestException" }

// isNotFound is for the error that the operations of sessions, calculations
// and tags have for what does not exist.
func isNotFound(err error) bool { return codeOf(err) == "ResourceNotFoundException" }

func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
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
	switch codeOf(err) {
	case "InternalServerException", "InternalFailure", "ServiceUnavailable", "RequestTimeoutException":
		return true
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
// alone. Athena has no error of its own for a query execution that it does not
// know.
func invalidOutcome(err error) string {
	if saysNotFound(messageOf(err)) {
		return athenatrail.OutcomeNotFound
	}
	return athenatrail.OutcomeUnprocessed
}

func saysNotFound(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "not found") || strings.Contains(s, "notfound") ||
		strings.Contains(s, "cannot be found") || strings.Contains(s, "does not exist") || strings.Contains(s, "doesn't exist")
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
