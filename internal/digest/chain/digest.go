package chain

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Place is an object of S3, by the name that it was delivered under.
type Place struct{ Bucket, Key string }

// URL is the full name of an object.
func (p Place) URL() string { return "s3://" + p.Bucket + "/" + p.Key }

// A File is a digest file as it was read.
type File struct {
	Data []byte // uncompressed: hashes and signatures are over these bytes

	// Signature is the object's own, in hex, from its metadata. It is empty
	// where the object has none, or where metadata is not kept: then Bare is
	// set, and the signature is taken from the digest that came after.
	Signature string
	Bare      bool

	// Generated is when a backfill digest was made. The key that it is signed
	// with is of that time, not of the time that it covers.
	Generated time.Time
}

// A Digest is the content of a digest file. Times are UTC.
type Digest struct {
	Start, End  time.Time
	Place       Place
	Fingerprint string // of the public key
	LogFiles    []LogFile

	// Previous is the digest before this one; its zero value says that this is
	// the first after logging began, or began again.
	Previous          Place
	PreviousHash      string // hex SHA-256 of that digest, uncompressed
	PreviousSignature string // hex

	end string // digestEndTime as it is written, which is signed
}

// A LogFile is one that a digest names.
type LogFile struct {
	Place
	Hash string // hex SHA-256 over the uncompressed bytes
}

// required are the members without which a digest says nothing. Those of the
// one before may be null.
var required = []string{"digestPublicKeyFingerprint", "digestS3Bucket", "digestS3Object", "previousDigestSignature", "digestEndTime", "digestStartTime"}

var errFormat = errors.New("not in the form of a digest")

// Parse reads a digest file's uncompressed bytes (CloudTrail User Guide,
// "CloudTrail digest file structure"). Members that it does not know are
// skipped.
func Parse(data []byte) (*Digest, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("%w: %w", errFormat, err)
	}
	for _, name := range required {
		if _, ok := members[name]; !ok {
			return nil, fmt.Errorf("%w: no %s", errFormat, name)
		}
	}
	var w struct {
		DigestStartTime, DigestEndTime string
		DigestS3Bucket, DigestS3Object string
		DigestPublicKeyFingerprint     string
		PreviousDigestS3Bucket         *string
		PreviousDigestS3Object         *string
		PreviousDigestHashValue        *string
		PreviousDigestSignature        *string
		LogFiles                       []struct{ S3Bucket, S3Object, HashValue string }
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", errFormat, err)
	}
	d := &Digest{Place: Place{w.DigestS3Bucket, w.DigestS3Object}, Fingerprint: w.DigestPublicKeyFingerprint, end: w.DigestEndTime}
	for _, t := range []struct {
		at   *time.Time
		text string
	}{{&d.Start, w.DigestStartTime}, {&d.End, w.DigestEndTime}} {
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return nil, fmt.Errorf("%w: time %.40q: want RFC 3339", errFormat, t.text)
		}
		*t.at = at.UTC()
	}
	if w.PreviousDigestS3Bucket != nil && w.PreviousDigestS3Object != nil {
		d.Previous = Place{*w.PreviousDigestS3Bucket, *w.PreviousDigestS3Object}
	}
	if w.PreviousDigestHashValue != nil {
		d.PreviousHash = *w.PreviousDigestHashValue
	}
	if w.PreviousDigestSignature != nil {
		d.PreviousSignature = *w.PreviousDigestSignature
	}
	for _, l := range w.LogFiles {
		d.LogFiles = append(d.LogFiles, LogFile{Place{l.S3Bucket, l.S3Object}, l.HashValue})
	}
	return d, nil
}

// signed is the text that CloudTrail signs: four lines, the last of them null
// for a digest without one before it.
func (d *Digest) signed(data []byte) string {
	previous := d.PreviousSignature
	if previous == "" {
		previous = "null"
	}
	return strings.Join([]string{d.end, d.Place.Bucket + "/" + d.Place.Key, hexSum(data), previous}, "\n")
}

// verify checks the signature, SHA256withRSA with PKCS #1 v1.5, of the digest
// whose uncompressed bytes are data.
func (d *Digest) verify(data []byte, signature string, key *rsa.PublicKey) error {
	bytes, err := hex.DecodeString(signature)
	if err != nil {
		return errors.New("its signature is not in hex")
	}
	sum := sha256.Sum256([]byte(d.signed(data)))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], bytes) != nil {
		return errors.New("its signature does not verify: the digest, its metadata or its place was changed")
	}
	return nil
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// maxKey bounds a public key, in bytes of its encoding. CloudTrail's have 270.
const maxKey = 4096

// ParseKey reads a public key as ListPublicKeys gives it: DER in the form of
// PKCS #1, in base64.
func ParseKey(value string) (*rsa.PublicKey, error) {
	if len(value) > maxKey {
		return nil, fmt.Errorf("a public key of %d bytes: want at most %d", len(value), maxKey)
	}
	der, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, fmt.Errorf("a public key: %w", err)
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("a public key: %w", err)
	}
	return key, nil
}
