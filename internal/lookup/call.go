package lookup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// maxReply bounds an answer, in bytes. 50 records of the 256 KB that
// CloudTrail allows are 13 MB, and up to twice that as strings in JSON.
const maxReply = 64 << 20

// newClient returns a client whose calls are repeated here, where the pace can
// learn from it, and whose answers are bounded.
func newClient(cfg aws.Config) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(cfg, func(o *cloudtrail.Options) {
		o.Retryer = aws.NopRetryer{}
		o.APIOptions = append(o.APIOptions, boundReply)
	})
}

func boundReply(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("BoundReply",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
		) {
			out, metadata, err = next.HandleDeserialize(ctx, in)
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response != nil {
				response.Body = http.MaxBytesReader(nil, response.Body, maxReply)
			}
			return out, metadata, err
		}), middleware.After)
}

// isThrottled goes by the error's code: the status is 400.
func isThrottled(err error) bool {
	return awsconn.Throttled(err) || statusOf(err) == http.StatusTooManyRequests
}

// explained adds what the error of a region that an account has not enabled
// does not say.
func explained(err error) error {
	var api smithy.APIError
	err = awsconn.Explained(err)
	if errors.As(err, &api) && api.ErrorCode() == "UnrecognizedClientException" {
		return fmt.Errorf("%w; if they work elsewhere, this region is not enabled in the account", err)
	}
	return err
}

func isLostToken(err error) bool {
	var invalid *types.InvalidNextTokenException
	return errors.As(err, &invalid)
}

// isTransient is for what may go well a moment later: the server's own errors,
// cut connections, and answers that are no JSON.
func isTransient(err error) bool {
	if awsconn.BadCredentials(err) {
		return false
	}
	if retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool() {
		return true
	}
	var decoding *smithy.DeserializationError
	return statusOf(err) >= 500 || errors.As(err, &decoding)
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// logFile returns the records of events as a log file of a trail. What is no
// JSON object cannot stand among them; it stays in the wrapping that it came
// in, as a string, where a reader finds one record that it cannot decode.
func logFile(events []types.Event) []byte {
	size := len(`{"Records":[]}`)
	for _, e := range events {
		size += len(aws.ToString(e.CloudTrailEvent)) + 1
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	b.WriteString(`{"Records":[`)
	for i, e := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		record := bytes.TrimSpace([]byte(aws.ToString(e.CloudTrailEvent)))
		if len(record) > 0 && record[0] == '{' && json.Valid(record) {
			b.Write(record)
			continue
		}
		wrapped, err := json.Marshal(struct{ CloudTrailEvent string }{string(record)})
		if err != nil { // a string can always be written
			continue
		}
		b.Write(wrapped)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
