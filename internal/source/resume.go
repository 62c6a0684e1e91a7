package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

const (
	// resumes is how often a body may break in a row without a byte gained.
	resumes = 5

	// stall is how long a body may be silent before its connection counts as
	// broken.
	stall = 60 * time.Second
)

// resumeWait is the longest wait before the first resumption; it doubles.
var resumeWait = 200 * time.Millisecond

// A resuming reader reads an object of S3, and goes on at the same byte of the
// same version when the connection breaks.
type resuming struct {
	ctx    context.Context
	client *s3.Client
	bucket string
	key    string
	object Object

	body   io.ReadCloser
	cancel context.CancelFunc
	quiet  *time.Timer // cancels the request when the body is silent
	offset int64
	total  int64 // -1 when S3 does not tell
	breaks int
}

func (r *resuming) fail(err error) error {
	return fmt.Errorf("read %s: %w", r.object.Key, err)
}

// open asks for the object from the offset on.
func (r *resuming) open() error {
	in := &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.key}
	if r.object.ETag != "" {
		in.IfMatch = &r.object.ETag
	}
	if r.offset > 0 {
		in.Range = aws.String("bytes=" + strconv.FormatInt(r.offset, 10) + "-")
	}
	ctx, cancel := context.WithCancel(r.ctx)
	out, err := r.client.GetObject(ctx, in, quiet)
	if err != nil {
		cancel()
		if statusOf(err) == http.StatusPreconditionFailed {
			return r.fail(ErrChanged)
		}
		return r.fail(awsconn.Explained(err))
	}
	if r.offset > 0 && out.ContentRange == nil {
		cancel()
		out.Body.Close()
		return r.fail(errors.New("the server does not resume a read where it broke"))
	}
	if r.offset == 0 {
		if r.object.ETag == "" {
			r.object.ETag = aws.ToString(out.ETag) // a resumption must meet the same version
		}
		r.total = -1
		if out.ContentLength != nil {
			r.total = *out.ContentLength
		}
		// The version is the one that was listed, so its size is too. A body
		// that is shorter, and says so, would pass for a damaged log file.
		if size := r.object.Size; size > 0 && r.total >= 0 && r.total != size {
			cancel()
			out.Body.Close()
			return r.fail(fmt.Errorf("the server offers %d bytes of %d", r.total, size))
		}
	}
	r.body, r.cancel = out.Body, cancel
	r.quiet = time.AfterFunc(stall, cancel)
	return nil
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

func (r *resuming) Read(p []byte) (int, error) {
	for {
		if r.body == nil {
			return 0, r.fail(errors.New("closed"))
		}
		r.quiet.Reset(stall)
		n, err := r.body.Read(p)
		r.quiet.Stop()
		r.offset += int64(n)
		if n > 0 {
			r.breaks = 0
		}
		switch {
		case err == nil:
			return n, nil
		case err == io.EOF && (r.total < 0 || r.offset >= r.total):
			return n, io.EOF
		case n > 0:
			return n, nil // the next Read meets the error again
		case r.total >= 0 && r.offset >= r.total:
			return 0, r.fail(err) // all of it came, and a checksum does not agree
		}
		if err := r.resume(err); err != nil {
			return 0, err
		}
	}
}

// resume opens the object again after its body broke with cause.
func (r *resuming) resume(cause error) error {
	r.Close()
	if err := r.ctx.Err(); err != nil {
		return r.fail(err)
	}
	if r.breaks++; r.breaks > resumes {
		return r.fail(fmt.Errorf("the connection broke %d times at byte %d: %w", r.breaks, r.offset, cause))
	}
	longest := resumeWait << (r.breaks - 1)
	select {
	case <-r.ctx.Done():
		return r.fail(r.ctx.Err())
	case <-time.After(longest/2 + rand.N(longest/2+1)):
	}
	return r.open()
}

func (r *resuming) Close() error {
	if r.body == nil {
		return nil
	}
	r.quiet.Stop()
	r.cancel()
	err := r.body.Close()
	r.body = nil
	return err
}
