package athenatrail

import (
	"crypto/sha256"
	"encoding/hex"
)

// HashText returns a query_text's key: SHA-256 of the SQL's bytes, in hex.
func HashText(sql string) string { return hexSHA256(sql) }

// HashAccessKey returns what the lake stores of an access key id: the first
// 32 hex digits of its SHA-256. An empty key has an empty hash.
func HashAccessKey(id string) string {
	if id == "" {
		return ""
	}
	return hexSHA256(id)[:32]
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
