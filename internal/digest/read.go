package digest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

const (
	// maxDigest bounds a digest, in bytes inflated. One names a log file in
	// about 400 bytes.
	maxDigest = 256 << 20

	// maxLog bounds a log file, in bytes inflated. CloudTrail writes at most
	// 50 MB.
	maxLog = 1 << 30

	// tries is how often an object is read whose connection breaks.
	tries = 3

	generatedForm = "20060102T150405Z"
)

// A broken reader remembers that reading failed, and not what came out of it.
type broken struct {
	r   io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// inflated writes the uncompressed bytes of an object to w. It is damaged if
// it is not one gzip stream and nothing after it: CloudTrail writes such, and
// what is appended would not be in the hash.
func inflated(ctx context.Context, t tree, at chain.Place, most int64, w func() io.Writer) (metadata map[string]string, err error) {
	for try := 1; ; try++ {
		var again bool
		if metadata, again, err = inflate(ctx, t, at, most, w()); !again || try == tries || ctx.Err() != nil {
			return metadata, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}

func inflate(ctx context.Context, t tree, at chain.Place, most int64, w io.Writer) (metadata map[string]string, again bool, err error) {
	body, metadata, err := t.open(ctx, at)
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	source := &broken{r: body}
	stored := bufio.NewReaderSize(source, 64<<10)
	defer func() {
		if source.err != nil {
			err, again = fmt.Errorf("read %s: %w", at.Key, source.err), true
		}
	}()
	z, err := gzip.NewReader(stored)
	if err != nil {
		return metadata, false, fmt.Errorf("%w: not gzip", chain.ErrDamaged)
	}
	z.Multistream(false)
	n, err := io.Copy(w, io.LimitReader(z, most+1))
	switch {
	case err != nil:
		return metadata, false, fmt.Errorf("%w: it does not inflate: %w", chain.ErrDamaged, err)
	case n > most:
		return metadata, false, fmt.Errorf("%w: over %d bytes inflated", chain.ErrDamaged, most)
	}
	if _, err := stored.ReadByte(); err != io.EOF {
		return metadata, false, fmt.Errorf("%w: it goes on after the end of what is compressed", chain.ErrDamaged)
	}
	return metadata, false, nil
}

// readDigest reads a digest file with its metadata.
func readDigest(ctx context.Context, t tree, at chain.Place) (chain.File, error) {
	var data bytes.Buffer
	metadata, err := inflated(ctx, t, at, maxDigest, func() io.Writer { data.Reset(); return &data })
	if err != nil {
		return chain.File{}, err
	}
	f := chain.File{Data: data.Bytes(), Bare: metadata == nil, Signature: metadata["signature"]}
	if _, has := metadata["signature-algorithm"]; !has {
		f.Signature = "" // as for the AWS CLI, a signature is one with its algorithm
	}
	if made := metadata["backfill-generation-timestamp"]; made != "" {
		for _, form := range []string{generatedForm, time.RFC3339} {
			if f.Generated, err = time.Parse(form, made); err == nil {
				break
			}
		}
		if err != nil {
			return chain.File{}, fmt.Errorf("%w: backfill-generation-timestamp %.40q: want a time", chain.ErrDamaged, made)
		}
	}
	return f, nil
}

// checkLog compares a log file with the hash that a digest has of it. The
// error is for one that could not be read.
func checkLog(ctx context.Context, t tree, at chain.Place, hash string) (result, text string, err error) {
	sum := sha256.New()
	_, err = inflated(ctx, t, at, maxLog, func() io.Writer { sum.Reset(); return sum })
	got := hex.EncodeToString(sum.Sum(nil))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && got == hash:
		// The end of the compression is cut off, and nothing of the content.
		return chain.Valid, "", nil
	case errors.Is(err, fs.ErrNotExist):
		return chain.Missing, "a digest names it, and it is not there", nil
	case errors.Is(err, chain.ErrDamaged):
		return chain.Invalid, err.Error(), nil
	case err != nil:
		return chain.Unproven, err.Error(), err
	}
	if got != hash {
		return chain.Invalid, fmt.Sprintf("its content was changed: its hash is %s, and the digest's %.64s", got, hash), nil
	}
	return chain.Valid, "", nil
}
