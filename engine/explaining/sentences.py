"""What explanations say, in Indonesian and in English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Part: TypeAlias = Literal["input", "tried", "rejected", "outcome", "cheaper"]

PARTS: Final[tuple[Part, ...]] = get_args(Part)
"""In the order in which they are told."""

_WIB: Final = timezone(timedelta(hours=7))


class Rupiah(int):
    """An amount of money."""


class When(int):
    """A moment, in milliseconds since 1970 (UTC)."""


class Said(NamedTuple):
    """A sentence of an explanation.

    Attributes:
      part: what it is about.
      rule: the version of the rule that it speaks of; empty: of none.
      key: which sentence it is.
      words: what stands in its gaps.
    """

    part: Part
    rule: str
    key: str
    words: Mapping[str, object]

    def in_indonesian(self) -> str:
        """Return it in Indonesian."""
        return _filled(SENTENCES[self.key][0], self.words, ".", "pukul ")

    def in_english(self) -> str:
        """Return it in English."""
        return _filled(SENTENCES[self.key][1], self.words, ",", "")


def _filled(sentence: str, words: Mapping[str, object], thousands: str, at: str) -> str:
    return sentence.format(**{name: _word(word, thousands, at) for name, word in words.items()})


def _word(word: object, thousands: str, at: str) -> str:
    if isinstance(word, Rupiah):
        sign = "-" if word < 0 else ""
        return f"{sign}Rp{abs(word):,}".replace(",", thousands)
    if isinstance(word, When):
        when = datetime.fromtimestamp(word / 1000, _WIB)
        return f"{when:%Y-%m-%d} {at}{when:%H:%M:%S}"
    return str(word)


SENTENCES: Final[dict[str, tuple[str, str]]] = {
    # What came in.
    "tap": (
        "Tempel {direction} {service} di {place}, {at}, operator {operator}.",
        "A tap {direction} at {place}, {service}, {at}, operator {operator}.",
    ),
    "intent": (
        "Transaksi {kind} dari terminal {terminal} nomor {counter}, {at}.",
        "A {kind} of terminal {terminal}, number {counter}, {at}.",
    ),
    "chip_paid": (
        "Kartu sudah membayar {amount} pada cip.",
        "The chip had paid {amount}.",
    ),
    "proof_genuine": (
        "Bukti cip asli, transaksi cip ke-{counter}.",
        "The chip has proved it, as its transaction {counter}.",
    ),
    "proof_forged": (
        "Bukti cip tidak cocok ({field}).",
        "The proof does not fit ({field}).",
    ),
    "proof_unreadable": (
        "Bukti cip tidak terbaca ({field}).",
        "The proof cannot be read ({field}).",
    ),
    "proof_unknown_key": (
        "Kunci untuk memeriksa bukti cip tidak ada ({field}).",
        "There is no key to check the proof with ({field}).",
    ),
    "ride_open": (
        "Perjalanan {service} dari {place} sejak {at} masih terbuka.",
        "A ride on {service} from {place}, since {at}, was open.",
    ),
    "no_ride_open": (
        "Tidak ada perjalanan yang masih terbuka.",
        "No ride was open.",
    ),
    "package_before": (
        "Paket perjalanan sejak {at}: {rides} perjalanan, sampai {until}.",
        "A package of rides since {at}: {rides} of them, until {until}.",
    ),
    "late": (
        "Datang setelah {later} tempel yang lebih baru: dihitung ulang, selisihnya di sini.",
        "It came after {later} later taps: all were rated again, the difference is posted here.",
    ),
    # What was tried.
    "ride_fare": (
        "Perjalanan {origin} ke {destination} tarifnya {amount} ({inputs}).",
        "The ride from {origin} to {destination} costs {amount} ({inputs}).",
    ),
    "begins": (
        "Perjalanan dimulai; tarifnya dibayar di akhir perjalanan.",
        "A ride begins; its fare is paid at its end.",
    ),
    "same_tap": (
        "Tempel yang sama dalam {seconds} detik: dihitung satu kali.",
        "The same tap within {seconds} seconds: it counts once.",
    ),
    "half_ride": (
        "Hanya satu ujung perjalanan diketahui ({place}): tarif terjauh {amount}.",
        "Only one end of a ride is known ({place}): the farthest fare, {amount}.",
    ),
    "nothing_to_reset": (
        "Tidak ada perjalanan terbuka yang perlu dipulihkan.",
        "There was no open ride to reset.",
    ),
    "integrated": (
        "Bersama perjalanan sebelumnya berlaku tarif integrasi {amount} ({inputs}).",
        "With the rides before it the integrated fare holds, {amount} ({inputs}).",
    ),
    "concession": (
        "Golongan {group}: dana program {programme} membayar {percent} persen.",
        "As {group}: the fund of {programme} pays {percent} per cent.",
    ),
    "capped": (
        "Batas tarif tercapai: dana program {programme} membayar sisanya.",
        "The cap was reached: the fund of {programme} pays the rest.",
    ),
    # What was rejected.
    "integrated_not_yet": (
        "Tarif integrasi belum berlaku pada hari itu.",
        "The integrated fare was not in force on that day.",
    ),
    "integrated_not_this": (
        "Tarif integrasi tidak meliputi {service}.",
        "The integrated fare does not cover {service}.",
    ),
    "integrated_alone": (
        "Tarif integrasi: tidak ada perjalanan moda lain dalam {minutes} menit sebelumnya.",
        "The integrated fare: no ride of another mode within {minutes} minutes before.",
    ),
    "integrated_no_change": (
        "Tarif integrasi: tidak boleh pindah dari {origin} ke {destination}.",
        "The integrated fare: one may not change from {origin} to {destination}.",
    ),
    "no_grant": (
        "Gratis bagi golongan tertentu: kartu ini tidak terdaftar di program {programme}.",
        "Free for certain groups: this card has no grant of {programme}.",
    ),
    "grant_other_day": (
        "Gratis bagi golongan tertentu: hak kartu berlaku {since} sampai {until}.",
        "Free for certain groups: the grant of this card is from {since} to {until}.",
    ),
    "outside_hours": (
        "Tarif {amount} hanya berlaku {hours}; perjalanan mulai {at}.",
        "{amount} holds only {hours}; the ride began {at}.",
    ),
    # What became of it.
    "refused": ("Ditolak: {reason} ({detail}).", "Refused: {reason} ({detail})."),
    "posted": (
        "Dibukukan; saldo sesudahnya {amount}.",
        "Posted; the balance after it is {amount}.",
    ),
    "exception": (
        "Dibukukan dengan catatan: {reason}.",
        "Posted, and filed as an exception: {reason}.",
    ),
    "chip_blocks": (
        "Kartu diblokir karenanya.",
        "The card was blocked because of it.",
    ),
    "card_pays": ("Kartu membayar {amount}.", "The card pays {amount}."),
    "card_gets": ("Kartu menerima {amount}.", "The card gets {amount}."),
    "others": ("{account} {owner}: {amount}.", "{account} {owner}: {amount}."),
    "owed": ("Pemegang kartu berhak atas {amount}.", "The holder is owed {amount}."),
    "owes": ("Pemegang kartu masih berutang {amount}.", "The holder still owes {amount}."),
    "nothing_moved": ("Tidak ada uang yang berpindah.", "No money moved."),
    # What would have been cheaper.
    "cheaper_hours": (
        "Perjalanan yang mulai {hours} tarifnya {amount}.",
        "A ride that begins {hours} costs {amount}.",
    ),
    "cheaper_out": (
        "Dengan tempel keluar, tarif perjalanan itu sendiri yang dibayar, bukan yang terjauh.",
        "With a tap-out its own fare is paid, and not the farthest.",
    ),
    "cheaper_apart": (
        "Sebagai perjalanan terpisah tarifnya {amount}.",
        "As rides apart they would have cost {amount}.",
    ),
    "cheaper_group": (
        "Anggota golongan yang berhak tidak membayar ({programme}).",
        "Members of the groups that are entitled pay nothing ({programme}).",
    ),
    "cheaper_none": (
        "Tidak ada cara yang lebih murah menurut aturan hari itu.",
        "By the rules of that day nothing would have been cheaper.",
    ),
}
"""Each sentence by its key: in Indonesian, and in English."""
