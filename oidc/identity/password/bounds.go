package password

import "yizheng.internal/oidc/identity"

// What another system's hash may be. A check at any of these bounds takes less than evenMost of
// one processor, and no more than 64 MiB. BenchmarkBounds measures them.
const (
	// The cost of bcrypt is the logarithm of its rounds: 10 to 12 are the usual defaults.
	bcryptLeast, bcryptMost = 4, 13
	bcryptSalt, bcryptSize  = 16, 23 // bytes
	bcryptBytes             = 72     // of a password; bcrypt ignores the rest

	// Iterations of PBKDF2. OWASP's minimum is 600,000 with SHA-256 and 210,000 with SHA-512;
	// Django 5.2 takes 1,000,000 of the former. One of the latter costs four times as much. A sum that is
	// longer than the digest would cost as much again for each digest more.
	pbkdf2SHA256Most, pbkdf2SHA512Most = 2_000_000, 500_000
	pbkdf2SHA256Size                   = 32 // bytes; with SHA-512 it is sumMost

	// scrypt takes 128 · N · r bytes, and fills them p times. passlib's default is N = 2^16,
	// r = 8, p = 1; the dearest of OWASP's choices that fits into 64 MiB has p = 2.
	scryptMostLog    = 16 // of N: with more and a smaller r, the same memory takes longer
	scryptMostBlocks = 64
	scryptMostLanes  = 16
	scryptMostMemory = 64 << 10  // KiB
	scryptMostFilled = 128 << 10 // KiB, in all lanes together

	// Argon2id fills its memory once in each pass. PHP's default is 64 MiB and 4 passes, that of
	// argon2-cffi 64 MiB and 3: those are the dearest of the usual ones. Each lane is a goroutine.
	argon2MostMemory = 64 << 10 // KiB
	argon2MostTime   = 10
	argon2MostFilled = 4 * argon2MostMemory // KiB, in all passes together
	argon2MostLanes  = 16
	argon2LeastSalt  = 8 // bytes, as the reference implementation has it

	sm3Size  = 32 // bytes
	saltMost = 64 // bytes
	sumLeast = 16 // bytes; a shorter sum could be met by chance
	sumMost  = 64 // bytes: a digest of SHA-512
)

// From these costs on, a hash of another system is stored as it is. A cheaper one is hashed once
// more, so that a copied database tells no passwords quickly.
const (
	bcryptStored = 10
	pbkdf2Stored = 100_000
	scryptStored = 16 << 10              // KiB of memory
	argon2Stored = hashMemory * hashTime // KiB filled
	saltStored   = 8                     // bytes; with less of a salt, one search finds many passwords
)

// allowed reports whether a hash of another system is well formed, and costs so little that it is
// checked. It is asked when a hash is read, and again when it is checked: a record may have been altered.
func allowed(i identity.InnerHash) bool {
	if i.Length < sumLeast || i.Length > sumMost || len(i.Salt) > saltMost {
		return false
	}
	switch i.Scheme {
	case schemeBcrypt:
		return between(i.Cost, bcryptLeast, bcryptMost) && len(i.Salt) == bcryptSalt && i.Length == bcryptSize
	case schemePBKDF2SHA256:
		return between(i.Cost, 1, pbkdf2SHA256Most) && i.Length <= pbkdf2SHA256Size
	case schemePBKDF2SHA512:
		return between(i.Cost, 1, pbkdf2SHA512Most)
	case schemeScrypt:
		return between(i.Cost, 1, scryptMostLog) && between(i.Memory, 1, scryptMostBlocks) && between(i.Lanes, 1, scryptMostLanes) &&
			scryptMemory(i) <= scryptMostMemory && scryptMemory(i)*uint64(i.Lanes) <= scryptMostFilled
	case schemeArgon2id:
		return between(i.Cost, 1, argon2MostTime) && between(i.Lanes, 1, argon2MostLanes) && len(i.Salt) >= argon2LeastSalt &&
			between(i.Memory, 8*i.Lanes, argon2MostMemory) && uint64(i.Memory)*uint64(i.Cost) <= argon2MostFilled
	case schemeSM3Before, schemeSM3After:
		return i.Length == sm3Size
	}
	return false
}

// cheap reports whether a hash of another system costs so little that it is hashed once more.
func cheap(i identity.InnerHash) bool {
	if len(i.Salt) < saltStored {
		return true
	}
	switch i.Scheme {
	case schemeBcrypt:
		return i.Cost < bcryptStored
	case schemePBKDF2SHA256, schemePBKDF2SHA512:
		return i.Cost < pbkdf2Stored
	case schemeScrypt:
		return scryptMemory(i) < scryptStored
	case schemeArgon2id:
		return uint64(i.Memory)*uint64(i.Cost) < argon2Stored
	}
	return true
}

func between(n, least, most uint32) bool { return n >= least && n <= most }

// scryptMemory returns how much memory scrypt takes, in KiB: 128 · N · r bytes.
func scryptMemory(i identity.InnerHash) uint64 { return (uint64(i.Memory) << i.Cost) / 8 }
