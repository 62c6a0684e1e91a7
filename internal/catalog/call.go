package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/time/rate"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

const (
	// perSecond is how many calls each service is asked for an account and
	// region. AWS documents no number for GetTables and ListPermissions; the
	// account's queries need the same quota.
	perSecond = 5

	// slowest is where a pace that is throttled again and again ends, in
	// calls a second.
	slowest = 0.2

	// maxReply is the most that is read of one reply, in bytes. A page holds
	// at most 100 tables, whose columns may be thousands.
	maxReply = 64 << 20

	// maxPages bounds a listing. Pages may be empty.
	maxPages = 20_000
)

// A boundedClient reads no more than maxReply of a reply: the SDK would take
// any.
type boundedClient struct{ aws.HTTPClient }

func (c boundedClient) Do(r *http.Request) (*http.Response, error) {
	response, err := c.HTTPClient.Do(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxReply), response.Body}
	}
	return response, err
}

// A pace is how fast one listing calls.
type pace struct{ bucket *rate.Limiter }

func newPace() *pace { return &pace{rate.NewLimiter(perSecond, perSecond)} }

// call makes a call when the pace allows. The SDK repeats what fails; where AWS
// still throttles after that, the pace halves and the call is made again,
// until ctx is done.
func (p *pace) call(ctx context.Context, do func() error) error {
	for {
		if err := p.bucket.Wait(ctx); err != nil {
			return err
		}
		err := do()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !awsconn.Throttled(err):
			return awsconn.Explained(err)
		}
		p.bucket.SetLimit(max(slowest, p.bucket.Limit()/2))
	}
}

// pages calls for one page after the other until there is no token.
func (p *pace) pages(ctx context.Context, page func(token *string) (next *string, err error)) error {
	var token *string
	for range maxPages {
		var next *string
		err := p.call(ctx, func() (err error) {
			next, err = page(token)
			return err
		})
		if err != nil {
			return err
		}
		if aws.ToString(next) == "" {
			return nil
		}
		if token != nil && *next == *token {
			return fmt.Errorf("AWS gives the same page again and again")
		}
		token = next
	}
	return fmt.Errorf("more than %d pages", maxPages)
}

// errFull ends a listing that has come to its bound.
var errFull = errors.New("too many")

// timeout of a listing as a whole: somebody waits for the run.
const timeout = 30 * time.Minute
