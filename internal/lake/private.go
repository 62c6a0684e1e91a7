package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"regexp"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// AsideDir is where damaged files are kept that were made again, below the id
// of the run that did. Nothing reads them, and they may be removed.
const AsideDir = "_aside/"

// privateDir holds what those who read reports must not have: the salt of the
// hashes, and the list of what was erased. Mirrors leave it out, the policies
// of readers deny it, and on disk its files are their owner's alone.
const privateDir = "_private/"

const (
	saltKey      = privateDir + "salt"
	forgottenDir = privateDir + "forgotten/"
	beforeKey    = privateDir + "forgotten-before"
)

const saltBytes = 32

// Salt returns the lake's salt, 32 random bytes that the first call makes. Who
// has it can try guesses at what the lake holds hashes of.
func (l *Lake) Salt(ctx context.Context) (salt []byte, err error) {
	fresh := make([]byte, saltBytes)
	rand.Read(fresh)
	err = l.Update(ctx, saltKey, func(old []byte) ([]byte, error) {
		if old == nil {
			salt = fresh
			return []byte(hex.EncodeToString(fresh) + "\n"), nil
		}
		var err error
		if salt, err = hex.DecodeString(strings.TrimSpace(string(old))); err != nil || len(salt) != saltBytes {
			return nil, fmt.Errorf("want %d hex digits; restore it from a backup, or its hashes cannot be made again", 2*saltBytes)
		}
		return nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the lake's salt, %s: %w", saltKey, err)
	}
	return salt, nil
}

// Forget notes that facts of a partition were erased and shall not come back.
// Hashes are those of their keys, 32 hex digits each.
func (l *Lake) Forget(ctx context.Context, p athenatrail.Partition, hashes map[string]bool) error {
	if err := checkPartition(p); err != nil {
		return fmt.Errorf("note what is forgotten: %w", err)
	}
	err := l.Update(ctx, forgottenDir+p.Date.String()+"/"+p.Name(), func(old []byte) ([]byte, error) {
		all := map[string]bool{}
		for hash := range strings.Lines(string(old)) {
			all[hash] = true
		}
		n := len(all)
		for hash := range hashes {
			all[hash+"\n"] = true
		}
		if len(all) == n {
			return nil, nil
		}
		return []byte(strings.Join(sortedKeys(all), "")), nil
	})
	if err != nil {
		return fmt.Errorf("note what is forgotten of %s: %w", p, err)
	}
	return nil
}

// Forgotten returns the hashes that [Lake.Forget] was given for a partition.
func (l *Lake) Forgotten(ctx context.Context, p athenatrail.Partition) (map[string]bool, error) {
	data, err := l.Read(ctx, forgottenDir+p.Date.String()+"/"+p.Name())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what is forgotten of %s: %w", p, err)
	}
	hashes := map[string]bool{}
	for hash := range strings.Lines(string(data)) {
		hashes[strings.TrimSuffix(hash, "\n")] = true
	}
	return hashes, nil
}

// ForgottenDays returns the partitions of which something is forgotten.
func (l *Lake) ForgottenDays(ctx context.Context) iter.Seq2[athenatrail.Partition, error] {
	return func(yield func(athenatrail.Partition, error) bool) {
		for file, err := range l.List(ctx, forgottenDir) {
			if err != nil {
				yield(athenatrail.Partition{}, fmt.Errorf("list what is forgotten: %w", err))
				return
			}
			day, name, _ := strings.Cut(strings.TrimPrefix(file.Key, forgottenDir), "/")
			p, err := athenatrail.ParsePartition(day, name)
			if err == nil && checkPartition(p) == nil && !yield(p, nil) {
				return
			}
		}
	}
}

// ForgetBefore notes that all days before d were erased and shall not come
// back. An earlier d changes nothing.
func (l *Lake) ForgetBefore(ctx context.Context, d athenatrail.Date) error {
	err := l.Update(ctx, beforeKey, func(old []byte) ([]byte, error) {
		if was, err := parseBefore(old); err != nil || was >= d {
			return nil, err
		}
		return []byte(d.String() + "\n"), nil
	})
	if err != nil {
		return fmt.Errorf("note what is forgotten, %s: %w", beforeKey, err)
	}
	return nil
}

// ForgottenBefore returns the day before which everything was erased, the zero
// day if nothing was.
func (l *Lake) ForgottenBefore(ctx context.Context) (athenatrail.Date, error) {
	data, err := l.Read(ctx, beforeKey)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read what is forgotten: %w", err)
	}
	d, err := parseBefore(data)
	if err != nil {
		return 0, fmt.Errorf("read what is forgotten, %s: %w", beforeKey, err)
	}
	return d, nil
}

func parseBefore(data []byte) (athenatrail.Date, error) {
	if data == nil {
		return 0, nil
	}
	return athenatrail.ParseDate(strings.TrimSpace(string(data)))
}

var (
	saltForm      = regexp.MustCompile(`^[0-9a-f]{64}\n$`)
	forgottenForm = regexp.MustCompile(`^([0-9a-f]{32}\n)*$`)
)

// privateProblem says what is wrong with a file of privateDir, or "".
func privateProblem(key string, data []byte) string {
	name, listed := strings.CutPrefix(key, forgottenDir)
	switch {
	case key == saltKey && saltForm.Match(data):
	case key == saltKey:
		return "not a salt of 64 hex digits"
	case key == beforeKey:
		if _, err := parseBefore(data); err != nil {
			return err.Error()
		}
	case !listed || !gapName.MatchString(name):
		return "this athenatrail knows no such file"
	case !forgottenForm.Match(data):
		return "not a list of hashes"
	}
	return ""
}
