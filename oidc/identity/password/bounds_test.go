package password

import (
	"strings"
	"testing"

	"yizheng.internal/oidc/identity"
)

const (
	salt16 = "AAAAAAAAAAAAAAAAAAAAAA"
	sum32  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	sum64  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// bounds has hashes that cost the most that is allowed, and ones that cost more.
var bounds = []struct{ name, most, more string }{
	{"bcrypt", "$2b$13$" + salt16 + sum32[:31], "$2b$14$" + salt16 + sum32[:31]},
	{"bcrypt, least", "$2b$04$" + salt16 + sum32[:31], "$2b$03$" + salt16 + sum32[:31]},
	{"PBKDF2-SHA256", "$pbkdf2-sha256$2000000$" + salt16 + "$" + sum32, "$pbkdf2-sha256$2000001$" + salt16 + "$" + sum32},
	{"PBKDF2-SHA256 of Django", "pbkdf2_sha256$2000000$x$" + sum32 + "=", "pbkdf2_sha256$2000001$x$" + sum32 + "="},
	{"PBKDF2-SHA512", "$pbkdf2-sha512$500000$" + salt16 + "$" + sum64, "$pbkdf2-sha512$500001$" + salt16 + "$" + sum64},
	{"PBKDF2-SHA256, length", "$pbkdf2-sha256$1000$" + salt16 + "$" + sum32, "$pbkdf2-sha256$1000$" + salt16 + "$" + sum32 + "A"},
	{"PBKDF2-SHA256 of Django, length", "pbkdf2_sha256$1000$x$" + sum32 + "=", "pbkdf2_sha256$1000$x$" + sum64 + "=="},
	{"PBKDF2-SHA512, length", "$pbkdf2-sha512$1000$" + salt16 + "$" + sum64, "$pbkdf2-sha512$1000$" + salt16 + "$" + sum64 + "A"},
	{"scrypt", "$scrypt$ln=16,r=8,p=2$" + salt16 + "$" + sum32, "$scrypt$ln=16,r=8,p=3$" + salt16 + "$" + sum32},
	{"scrypt, N", "$scrypt$ln=16,r=1,p=16$" + salt16 + "$" + sum32, "$scrypt$ln=17,r=1,p=1$" + salt16 + "$" + sum32},
	{"scrypt, memory by N", "$scrypt$ln=16,r=8,p=1$" + salt16 + "$" + sum32, "$scrypt$ln=17,r=8,p=1$" + salt16 + "$" + sum32},
	{"scrypt, memory by r", "$scrypt$ln=13,r=64,p=2$" + salt16 + "$" + sum32, "$scrypt$ln=16,r=9,p=1$" + salt16 + "$" + sum32},
	{"scrypt, r", "$scrypt$ln=4,r=64,p=1$" + salt16 + "$" + sum32, "$scrypt$ln=4,r=65,p=1$" + salt16 + "$" + sum32},
	{"scrypt, p", "$scrypt$ln=13,r=8,p=16$" + salt16 + "$" + sum32, "$scrypt$ln=4,r=8,p=17$" + salt16 + "$" + sum32},
	{"Argon2id", "$argon2id$v=19$m=65536,t=4,p=1$" + salt16 + "$" + sum32, "$argon2id$v=19$m=65536,t=5,p=1$" + salt16 + "$" + sum32},
	{"Argon2id, memory", "$argon2id$v=19$m=65536,t=1,p=1$" + salt16 + "$" + sum32, "$argon2id$v=19$m=65537,t=1,p=1$" + salt16 + "$" + sum32},
	{"Argon2id, most of memory", "$argon2id$v=19$m=65536,t=1,p=4$" + salt16 + "$" + sum32, "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt16 + "$" + sum32},
	{"Argon2id, passes", "$argon2id$v=19$m=26214,t=10,p=1$" + salt16 + "$" + sum32, "$argon2id$v=19$m=64,t=11,p=1$" + salt16 + "$" + sum32},
	{"Argon2id, lanes", "$argon2id$v=19$m=65536,t=4,p=16$" + salt16 + "$" + sum32, "$argon2id$v=19$m=65536,t=1,p=17$" + salt16 + "$" + sum32},
	{"Argon2id, memory of lanes", "$argon2id$v=19$m=128,t=1,p=16$" + salt16 + "$" + sum32, "$argon2id$v=19$m=127,t=1,p=16$" + salt16 + "$" + sum32},
	{"Argon2id, salt", "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$" + sum32, "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAA$" + sum32},
}

func TestForeignBounds(t *testing.T) {
	h := New(Config{})
	for _, v := range bounds {
		if _, ok := h.Foreign(v.most); !ok {
			t.Errorf("%s: %s isn't read", v.name, v.most)
		}
		if p, ok := h.Foreign(v.more); ok {
			t.Errorf("%s: %s is read as %+v", v.name, v.more, p)
		}
	}
}

// TestForeignAltered: a record may have been altered, so costs are bounded where a hash is computed, too.
func TestForeignAltered(t *testing.T) {
	salt := make([]byte, 16)
	for _, i := range []identity.InnerHash{
		{}, {Scheme: "md5", Length: 32},
		{Scheme: schemeBcrypt, Cost: 14, Salt: salt, Length: 23}, {Scheme: schemeBcrypt, Cost: 3, Salt: salt, Length: 23},
		{Scheme: schemeBcrypt, Cost: 4, Salt: salt[:15], Length: 23}, {Scheme: schemeBcrypt, Cost: 4, Salt: salt, Length: 24},
		{Scheme: schemePBKDF2SHA256, Cost: 2_000_001, Length: 32}, {Scheme: schemePBKDF2SHA256, Length: 32}, {Scheme: schemePBKDF2SHA256, Cost: 1, Length: 33},
		{Scheme: schemePBKDF2SHA512, Cost: 500_001, Length: 64}, {Scheme: schemePBKDF2SHA512, Length: 64}, {Scheme: schemePBKDF2SHA512, Cost: 1, Length: 65},
		{Scheme: schemePBKDF2SHA512, Cost: 1, Length: -1}, {Scheme: schemePBKDF2SHA512, Cost: 1, Length: 15}, {Scheme: schemePBKDF2SHA512, Cost: 1, Salt: make([]byte, 65), Length: 64},
		{Scheme: schemeScrypt, Cost: 17, Memory: 1, Lanes: 1, Length: 32}, {Scheme: schemeScrypt, Cost: 4, Memory: 0, Lanes: 1, Length: 32},
		{Scheme: schemeScrypt, Cost: 4, Memory: 8, Lanes: 0, Length: 32}, {Scheme: schemeScrypt, Cost: 1 << 31, Memory: 8, Lanes: 1, Length: 32},
		{Scheme: schemeScrypt, Cost: 16, Memory: 8, Lanes: 3, Length: 32}, {Scheme: schemeScrypt, Cost: 1, Memory: 1 << 31, Lanes: 1, Length: 32},
		{Scheme: schemeArgon2id, Cost: 1, Memory: 1 << 31, Lanes: 1, Salt: salt, Length: 32}, {Scheme: schemeArgon2id, Cost: 1, Memory: 64, Lanes: 0, Salt: salt, Length: 32},
		{Scheme: schemeArgon2id, Cost: 1, Memory: 4096, Lanes: 256, Salt: salt, Length: 32}, {Scheme: schemeArgon2id, Cost: 5, Memory: 65536, Lanes: 1, Salt: salt, Length: 32},
		{Scheme: schemeArgon2id, Cost: 0, Memory: 64, Lanes: 1, Salt: salt, Length: 32}, {Scheme: schemeArgon2id, Cost: 1, Memory: 64, Lanes: 1 << 29, Salt: salt, Length: 32},
		{Scheme: schemeSM3Before, Length: 1 << 30}, {Scheme: schemeSM3After, Length: 31},
	} {
		if allowed(i) {
			t.Errorf("%+v is allowed", i)
		} else if _, err := computeInner(i, []byte("x")); err == nil {
			t.Errorf("%+v was computed", i)
		}
	}
}

// BenchmarkBounds measures what the dearest hashes cost, beside ours.
func BenchmarkBounds(b *testing.B) {
	h := New(Config{})
	run := func(name string, p identity.PasswordHash) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				if _, err := h.compare(p, "样例密码", func() {}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("ours", h.Blank())
	for _, v := range bounds {
		if p, ok := h.Foreign(v.most); ok && !cheap(p.Inner) {
			run(v.name, p)
		}
	}
}
