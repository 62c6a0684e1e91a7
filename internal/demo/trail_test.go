package demo

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A record is what the tests look at in a written one.
type record struct {
	EventID, EventName, EventSource, EventTime, EventType, AwsRegion string
	SourceIPAddress, UserAgent, ErrorCode, RecipientAccountID        string
	SharedEventID                                                    string
	UserIdentity                                                     struct {
		Type, PrincipalID, InvokedBy, AccessKeyID string
		SessionContext                            struct {
			SourceIdentity, Ec2RoleDelivery string
			Attributes                      struct{ CreationDate time.Time }
		}
		OnBehalfOf, InScopeOf map[string]string
	}
	RequestParameters, ResponseElements, AdditionalEventData json.RawMessage
	Addendum                                                 *struct{ Reason, OriginalEventID, UpdatedFields string }

	file string
	line string
}

var fileName = regexp.MustCompile(`^AWSLogs/o-exampleorg1/([0-9]{12})/CloudTrail/([a-z0-9-]+)/(2026/\d\d/\d\d)/([0-9]{12})_CloudTrail_([a-z0-9-]+)_(\d{8})T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz$`)

func inflate(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(path, err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(path, err)
	}
	return b.Bytes()
}

// files calls f with each file under dir, in the order of their names.
func files(t *testing.T, dir string, f func(name, path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			f(filepath.ToSlash(name), path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readTrail decodes every log file of a trail with encoding/json.
func readTrail(t *testing.T, dir string) (all []record, beside []string) {
	t.Helper()
	files(t, dir, func(name, path string) {
		b := inflate(t, path)
		m := fileName.FindStringSubmatch(name)
		if m == nil {
			beside = append(beside, name)
			if !json.Valid(b) {
				t.Errorf("%s is not JSON", name)
			}
			return
		}
		if m[1] != m[4] || m[2] != m[5] || strings.ReplaceAll(m[3], "/", "") != m[6] {
			t.Errorf("%s contradicts itself", name)
		}
		var body struct{ Records []json.RawMessage }
		if err := json.Unmarshal(b, &body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(body.Records) == 0 || bytes.ContainsRune(b, '\n') {
			t.Errorf("%s: %d records, line break %v", name, len(body.Records), bytes.ContainsRune(b, '\n'))
		}
		for _, raw := range body.Records {
			var r record
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, raw)
			}
			r.file, r.line = name, string(raw)
			if r.RecipientAccountID != m[1] || r.AwsRegion != m[2] {
				t.Errorf("%s holds a record of %s in %s", name, r.RecipientAccountID, r.AwsRegion)
			}
			all = append(all, r)
		}
	})
	return all, beside
}

// written is the small company's trail, made and read once for all tests.
var written struct {
	sync.Once
	company *Company
	records []record
	beside  []string
}

func trail(t *testing.T) (*Company, []record) {
	t.Helper()
	written.Do(func() {
		written.company = Generate(small)
		dir := t.TempDir()
		if err := written.company.WriteTrail(dir); err != nil {
			t.Fatal(err)
		}
		written.records, written.beside = readTrail(t, dir)
	})
	if written.records == nil {
		t.Fatal("the trail could not be made or read: see the first test that asked for it")
	}
	return written.company, written.records
}

// digest is of the names and bytes of all files under dir.
func digest(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	files(t, dir, func(name, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d %x\n", name, len(b), sha256.Sum256(b))
	})
	return fmt.Sprintf("%x", sum.Sum(nil))
}
