//go:build unix

package redis

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"yizheng.internal/storage/storagetest/ephemeral"
)

func BenchmarkEphemeral(b *testing.B) {
	s := openTest(b, Config{})
	ephemeral.BenchmarkEphemeral(b, s, func() time.Duration {
		info, err := s.client.Info(b.Context(), "cpu").Result()
		if err != nil {
			b.Fatal(err)
		}
		var seconds float64
		for line := range strings.Lines(info) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "used_cpu_user" || name == "used_cpu_sys" {
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					b.Fatal(err)
				}
				seconds += n
			}
		}
		return time.Duration(seconds * float64(time.Second))
	})
}
