package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

const (
	// updateTries bounds how often an update is tried that others keep
	// overtaking. Each time one of them has got on, so that many tries in
	// vain mean that something else is wrong.
	updateTries   = 50
	conflictTries = 12
	bodyTries     = 5 // the SDK retries requests, not the reading of an answer's body
	maxBackoff    = 2 * time.Second
)

// An s3Store is a bucket's prefix. Updates are conditional writes (If-Match
// with the ETag that was read, If-None-Match for a new file), so the bucket
// needs no lock beside it: of two writers the later is refused, and reads
// again.
type s3Store struct {
	client *s3.Client
	bucket string
	prefix string // empty, or ending in a slash
	locks  *stripes
}

// NewS3Store returns the store in a bucket, under a prefix if that is not
// empty. Endpoint, region, credentials and retries are the client's.
func NewS3Store(client *s3.Client, bucket, prefix string) (Store, error) {
	prefix = strings.Trim(prefix, "/")
	if bucket == "" {
		return nil, errors.New("lake on S3: want s3://BUCKET or s3://BUCKET/PREFIX")
	}
	if prefix != "" {
		prefix += "/"
	}
	return &s3Store{client: client, bucket: bucket, prefix: prefix, locks: newStripes()}, nil
}

func (s *s3Store) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

func (s *s3Store) key(key string) (*string, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return aws.String(s.prefix + key), nil
}

func (s *s3Store) Read(ctx context.Context, key string) ([]byte, error) {
	data, _, _, err := s.get(ctx, key, "")
	return data, err
}

func (s *s3Store) Tail(ctx context.Context, key string, n int64) ([]byte, int64, error) {
	data, _, size, err := s.get(ctx, key, fmt.Sprintf("bytes=-%d", n))
	if err != nil && statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return []byte{}, 0, nil // it is empty
	}
	return data, size, err
}

// get reads an object, or a range of it, with its ETag as S3 wrote it and its
// whole size.
func (s *s3Store) get(ctx context.Context, key, byteRange string) (data []byte, etag string, size int64, err error) {
	name, err := s.key(key)
	if err != nil {
		return nil, "", 0, err
	}
	input := &s3.GetObjectInput{Bucket: &s.bucket, Key: name}
	if byteRange != "" {
		input.Range = &byteRange
	}
	for try := 1; ; try++ {
		out, err := s.client.GetObject(ctx, input)
		if err != nil {
			return nil, "", 0, s.explain("read", key, err)
		}
		data, err := readBody(out)
		if err == nil {
			size := int64(len(data))
			if _, whole, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
				if size, err = strconv.ParseInt(whole, 10, 64); err != nil {
					return nil, "", 0, fmt.Errorf("read %s/%s: content range %q", s, key, *out.ContentRange)
				}
			}
			return data, aws.ToString(out.ETag), size, nil
		}
		if try == bodyTries || ctx.Err() != nil {
			return nil, "", 0, fmt.Errorf("read %s/%s: %w", s, key, err)
		}
		if err := pause(ctx, try); err != nil {
			return nil, "", 0, err
		}
	}
}

func readBody(out *s3.GetObjectOutput) ([]byte, error) {
	defer out.Body.Close()
	var b bytes.Buffer
	if n := aws.ToInt64(out.ContentLength); n > 0 && n < 1<<30 {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(out.Body)
	if err != nil {
		return nil, err
	}
	if out.ContentLength != nil && n != *out.ContentLength {
		return nil, io.ErrUnexpectedEOF
	}
	if b.Bytes() == nil {
		return []byte{}, nil
	}
	return b.Bytes(), nil
}

func (s *s3Store) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	name, err := s.key(key)
	if err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, stripe(key))
	if err != nil {
		return err
	}
	defer unlock()

	for try := 1; ; try++ {
		old, etag, _, err := s.get(ctx, key, "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		exists := err == nil
		if !exists {
			old = nil
		}
		data, err := change(old)
		switch {
		case errors.Is(err, ErrRemove) && !exists:
			return nil
		case errors.Is(err, ErrRemove):
			// Stores that do not know conditional deletes remove the file all
			// the same; AWS does know them.
			_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: name, IfMatch: &etag})
		case err != nil:
			return err
		case data == nil, exists && bytes.Equal(old, data):
			return nil
		default:
			input := &s3.PutObjectInput{Bucket: &s.bucket, Key: name, Body: bytes.NewReader(data)}
			if exists {
				input.IfMatch = &etag
			} else {
				input.IfNoneMatch = aws.String("*")
			}
			_, err = s.client.PutObject(ctx, input)
		}
		switch {
		case err == nil:
			return nil
		case !overtaken(err):
			return s.explain("write", key, err)
		case try == updateTries:
			return fmt.Errorf("write %s/%s: other writers were faster %d times: %w", s, key, try, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// overtaken reports whether a conditional write was refused because somebody
// else wrote in between: 412 is a condition that does not hold, 409 a write of
// the same key under way, 404 an object removed since.
func overtaken(err error) bool {
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) && apiErr.ErrorCode() == "NoSuchBucket" {
		return false
	}
	switch statusOf(err) {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusNotFound:
		return true
	}
	return false
}

// pause waits before the next try, longer with each and never for as long as
// somebody else who started at the same time.
func pause(ctx context.Context, try int) error {
	limit := min(maxBackoff, 10*time.Millisecond<<min(try, 10))
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *s3Store) Put(ctx context.Context, key string, data []byte) error {
	name, err := s.key(key)
	if err != nil {
		return err
	}
	err = whenFree(ctx, func() error {
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: name, Body: bytes.NewReader(data)})
		return err
	})
	return s.explain("write", key, err)
}

func (s *s3Store) Delete(ctx context.Context, key string) error {
	name, err := s.key(key)
	if err != nil {
		return err
	}
	err = whenFree(ctx, func() error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
		return err
	})
	if err = s.explain("delete", key, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// whenFree repeats a write that has no condition while S3 refuses it because
// another of the same key is under way.
func whenFree(ctx context.Context, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if statusOf(err) != http.StatusConflict || try == conflictTries {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

func (s *s3Store) List(ctx context.Context, prefix string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(File{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(File{}, s.explain("list", prefix, err))
				return
			}
			for _, object := range page.Contents {
				f := File{
					Key:      strings.TrimPrefix(aws.ToString(object.Key), s.prefix),
					Size:     aws.ToInt64(object.Size),
					ETag:     strings.Trim(aws.ToString(object.ETag), `"`),
					Modified: aws.ToTime(object.LastModified).UTC(),
				}
				if f.Key == "" || strings.HasSuffix(f.Key, "/") {
					continue // what consoles make for a folder
				}
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// explain says what was being done, and makes fs.ErrNotExist of a missing
// object but not of a missing bucket.
func (s *s3Store) explain(act, key string, err error) error {
	if err == nil {
		return nil
	}
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		switch apiErr.ErrorCode() {
		case "NoSuchKey", "NotFound":
			return fmt.Errorf("%s %s/%s: %w", act, s, key, fs.ErrNotExist)
		case "NoSuchBucket":
			return fmt.Errorf("%s %s/%s: there is no bucket %q", act, s, key, s.bucket)
		}
	}
	return fmt.Errorf("%s %s/%s: %w", act, s, key, err)
}

func statusOf(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
