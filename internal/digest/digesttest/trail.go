// Package digesttest makes trails with digest files, signed as CloudTrail signs
// them by keys of its own, and answers over HTTP as CloudTrail does to who asks
// for those keys. It does not import testing.
package digesttest

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Key is a pair of keys under the name that digests have for it.
type Key struct {
	Fingerprint string
	Private     *rsa.PrivateKey
	From, To    time.Time // when it signs
}

// NewKey returns a new key that signs in that time.
func NewKey(fingerprint string, from, to time.Time) (Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	return Key{fingerprint, private, from, to}, err
}

// Value is the public key as ListPublicKeys gives it.
func (k Key) Value() string {
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&k.Private.PublicKey))
}

// An Object is what is stored under a key.
type Object struct {
	Data     []byte
	Metadata map[string]string
}

// A Trail is what a trail delivered in one region. Objects may be changed, as
// one who tampers with them would.
type Trail struct {
	Bucket, Prefix              string // the prefix is empty or ends in a slash
	Account, Region, Name, Home string
	Key                         Key

	Objects map[string]*Object
	Digests []string // keys, in the order of their times

	logs     []map[string]any // that no digest names yet
	last     []byte           // the digest before, uncompressed
	lastSign string
	lastKey  string
	lastIn   string
}

func (t *Trail) put(key string, data []byte, metadata map[string]string) {
	if t.Objects == nil {
		t.Objects = map[string]*Object{}
	}
	t.Objects[key] = &Object{Gzip(data), metadata}
}

// Gzip compresses data as one stream.
func Gzip(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// Gunzip is its reverse; what is no gzip is nil.
func Gunzip(data []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	var b bytes.Buffer
	b.ReadFrom(z)
	return b.Bytes()
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func (t *Trail) path(folder string, at time.Time) string {
	return t.Prefix + "AWSLogs/" + t.Account + "/" + folder + "/" + t.Region + at.UTC().Format("/2006/01/02/") + t.Account + "_" + folder + "_" + t.Region + "_"
}

// LogKey is the key of a log file delivered then.
func (t *Trail) LogKey(at time.Time, unique string) string {
	return t.path("CloudTrail", at) + at.UTC().Format("20060102T1504Z") + "_" + unique + ".json.gz"
}

// Log delivers a log file and returns its key. The next digest names it.
func (t *Trail) Log(at time.Time, unique, text string) string {
	key := t.LogKey(at, unique)
	t.put(key, []byte(text), nil)
	t.logs = append(t.logs, map[string]any{
		"s3Bucket": t.Bucket, "s3Object": key, "hashValue": sum([]byte(text)), "hashAlgorithm": "SHA-256",
		"newestEventTime": at.UTC().Format(time.RFC3339), "oldestEventTime": at.UTC().Format(time.RFC3339),
	})
	return key
}

// Stop ends the chain: the next digest is a first one.
func (t *Trail) Stop() { t.last, t.lastSign, t.lastKey = nil, "", "" }

// An Edit changes a digest before it is signed.
type Edit func(content map[string]any)

// Digest delivers the digest of the hour that ends then, and returns its key.
func (t *Trail) Digest(end time.Time, edits ...Edit) string {
	key := t.path("CloudTrail-Digest", end) + t.Name + "_" + t.Home + end.UTC().Format("_20060102T150405Z") + ".json.gz"
	return t.digest(key, end, nil, edits)
}

// Backfill delivers a backfill digest, made later than its hour.
func (t *Trail) Backfill(end, made time.Time, edits ...Edit) string {
	key := t.path("CloudTrail-Digest", end) + t.Name + "_" + t.Home + end.UTC().Format("_20060102T150405Z") + "_backfill.json.gz"
	return t.digest(key, end, map[string]string{"backfill-generation-timestamp": made.UTC().Format("20060102T150405Z")}, edits)
}

func (t *Trail) digest(key string, end time.Time, metadata map[string]string, edits []Edit) string {
	const form = "2006-01-02T15:04:05Z"
	logs := t.logs
	if logs == nil {
		logs = []map[string]any{}
	}
	content := map[string]any{
		"awsAccountId":    t.Account,
		"digestStartTime": end.Add(-time.Hour).UTC().Format(form), "digestEndTime": end.UTC().Format(form),
		"digestS3Bucket": t.Bucket, "digestS3Object": key,
		"digestPublicKeyFingerprint": t.Key.Fingerprint, "digestSignatureAlgorithm": "SHA256withRSA",
		"newestEventTime": nil, "oldestEventTime": nil,
		"previousDigestS3Bucket": nil, "previousDigestS3Object": nil, "previousDigestHashValue": nil,
		"previousDigestHashAlgorithm": nil, "previousDigestSignature": nil,
		"logFiles": logs,
	}
	if t.lastKey != "" {
		content["previousDigestS3Bucket"], content["previousDigestS3Object"] = t.lastIn, t.lastKey
		content["previousDigestHashValue"], content["previousDigestHashAlgorithm"] = sum(t.last), "SHA-256"
		content["previousDigestSignature"] = t.lastSign
	}
	for _, edit := range edits {
		edit(content)
	}
	data, err := json.Marshal(content)
	if err != nil {
		panic(err) // texts and maps of them
	}
	signature := t.Key.Sign(data)
	all := map[string]string{"signature": signature, "signature-algorithm": "SHA256withRSA"}
	for name, value := range metadata {
		all[name] = value
	}
	t.put(key, data, all)
	t.Digests = append(t.Digests, key)
	t.logs, t.last, t.lastSign, t.lastKey, t.lastIn = nil, data, signature, key, t.Bucket
	return key
}

// Sign returns the signature of a digest's uncompressed bytes, in hex.
func (k Key) Sign(data []byte) string {
	var c struct {
		DigestEndTime, DigestS3Bucket, DigestS3Object string
		PreviousDigestSignature                       *string
	}
	if err := json.Unmarshal(data, &c); err != nil {
		panic(err)
	}
	previous := "null"
	if c.PreviousDigestSignature != nil {
		previous = *c.PreviousDigestSignature
	}
	text := strings.Join([]string{c.DigestEndTime, c.DigestS3Bucket + "/" + c.DigestS3Object, sum(data), previous}, "\n")
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, k.Private, crypto.SHA256, hash[:])
	if err != nil {
		panic(fmt.Sprintf("sign: %v", err))
	}
	return hex.EncodeToString(signature)
}

// KeyFile is what `aws cloudtrail list-public-keys` prints of keys.
func KeyFile(keys ...Key) []byte {
	list := []map[string]any{}
	for _, k := range keys {
		list = append(list, map[string]any{
			"Fingerprint": k.Fingerprint, "Value": k.Value(), "ValidityStartTime": k.From.UTC().Format(time.RFC3339), "ValidityEndTime": k.To.UTC().Format(time.RFC3339),
		})
	}
	data, err := json.MarshalIndent(map[string]any{"PublicKeyList": list}, "", "    ")
	if err != nil {
		panic(err)
	}
	return data
}
