"""Word lists for the synthetic speaker, written for this project; no corpus was copied.

Each language has phrases that any template of `texts` can join: noun phrases carry their article,
verbs stand in the third person. Grammar is only approximate, which the mouth does not mind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lexicon:
    """The phrases of one language, each field a tuple of strings."""

    openings: tuple[str, ...]
    subjects: tuple[str, ...]
    verbs: tuple[str, ...]
    objects: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    joiners: tuple[str, ...]

    def words(self) -> tuple[str, ...]:
        """Every single word of the language, sorted."""
        phrases = (
            self.openings
            + self.subjects
            + self.verbs
            + self.objects
            + self.places
            + self.times
            + self.joiners
        )
        return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


def _lexicon(**fields: str) -> Lexicon:
    """Split one comma-separated line per field."""
    return Lexicon(
        **{name: tuple(" ".join(p.split()) for p in text.split(",")) for name, text in fields.items()}
    )


def lexicons() -> dict[str, Lexicon]:
    """Language code to its lexicon."""
    return {
        "en": _lexicon(
            openings="""well, hello, good morning, listen, you know, I think, honestly, maybe, oh my, of
            course, excuse me, welcome back, look here, by the way, in fact, please, thank
            you, wow, no way, come on""",
            subjects="""the old fisherman, my little sister, a brave pilot, the whole orchestra, our
            neighbour, the postman, some curious children, the clever fox, a quiet stranger,
            the mayor, every student, the baker, their grandmother, a young painter, the
            goalkeeper, the white horse, Bob, Mary, Philip, Abigail, the bumblebee, the
            emperor, a bored robot, the voice on the phone, the farmer's wife, a famous
            singer, the museum guard, somebody, nobody, the moon, this machine, that puppy""",
            verbs="""carries, forgets, paints, measures, follows, remembers, borrows, whispers about,
            opens, washes, throws away, believes in, chooses, pushes, breaks, improves,
            laughs at, waits for, buys, describes, moves, wraps up, listens to, loves,
            watches, bumps into, fixes, dreams of, hides, solves, cooks, shows, needs,
            explains, hears, touches, beats, joins, refuses, hopes for""",
            objects="""a bowl of soup, the purple umbrella, seven apples, a map of the moon, the broken
            bicycle, two wooden boxes, the final question, fresh bread and butter, an
            enormous balloon, my favourite song, a pair of blue shoes, the tallest tower,
            some warm milk, a beautiful poem, the empty bottle, a box of puzzles, the
            bathroom mirror, strange rumours, the whole story, a sweet melon, the heavy
            door, five cheap oranges, her thumb, a pebble, the big black bag, the newspaper,
            a cup of tea, thick yellow paint, the usual joke, a piece of cheese, the map, a
            very long rope, his old pipe""",
            places="""behind the garden wall, in the kitchen, at the station, under the bridge, across
            the river, on the roof, near the harbour, between two mountains, at the market,
            in a small village, beside the church, on the ferry, in the middle of nowhere,
            outside, upstairs, by the fire, far away, in the cinema, at school, down the
            road""",
            times="""yesterday, tomorrow morning, at half past five, every summer, before breakfast,
            this evening, once a month, after the storm, on Wednesday, in November, all
            night long, from time to time, in two thousand and nine, right now, sooner or
            later, during the concert, twice, at midnight""",
            joiners="and, but, because, while, although, so, until, and then, or, whenever",
        ),
        "de": _lexicon(
            openings="""guten Morgen, also, hör zu, weißt du, ehrlich gesagt, vielleicht, ach so,
            natürlich, Entschuldigung, bitte schön, na gut, übrigens, schau mal, wunderbar""",
            subjects="""der alte Fischer, meine kleine Schwester, das ganze Orchester, unser Nachbar,
            die Lehrerin, ein müder Bär, der Bäcker, jedes Kind, die Königin, mein Vater,
            ein fröhlicher Zwerg, niemand, die Ärztin, der Pförtner, eine graue Katze, das
            Pferd, Jürgen, Susanne""",
            verbs="""trägt, vergisst, malt, sucht, öffnet, wäscht, glaubt, wählt, schiebt, kauft,
            beschreibt, liebt, hört, braucht, zeigt, versteckt, kocht, findet, bewundert,
            bringt, möchte, verliert""",
            objects="""eine heiße Suppe, den roten Regenschirm, sieben Äpfel, das kaputte Fahrrad, zwei
            Bücher, die letzte Frage, frisches Brot mit Butter, ein schönes Gedicht, die
            leere Flasche, den Schlüssel, viele Wörter, einen großen Kürbis, die Brücke, das
            Mittagessen, grüne Schuhe, etwas Milch, den Mond, einen Brief, die Pfanne, blaue
            Blumen""",
            places="""hinter dem Haus, in der Küche, am Bahnhof, unter der Brücke, über dem Fluss, auf
            dem Dach, in München, neben der Kirche, draußen, im Wald, an der Ostsee, zu
            Hause""",
            times="""gestern, morgen früh, um halb fünf, jeden Sommer, vor dem Frühstück, heute
            Abend, im Februar, nach dem Gewitter, am Mittwoch, manchmal, jetzt, die ganze
            Nacht""",
            joiners="und, aber, weil, während, obwohl, oder, bis, denn",
        ),
        "fr": _lexicon(
            openings="""bonjour, écoute, tu sais, peut-être, bien sûr, excusez-moi, merci beaucoup,
            tiens, voilà, mon Dieu, d'accord, franchement, au fait""",
            subjects="""le vieux pêcheur, ma petite sœur, tout l'orchestre, notre voisin, la boulangère,
            un enfant, le facteur, personne, la reine, mon oncle, une jeune fille, le chat
            noir, Pauline, monsieur Dubois, le peuple, un bon musicien, la lune""",
            verbs="""porte, oublie, peint, cherche, ouvre, lave, choisit, pousse, achète, décrit,
            aime, écoute, montre, cache, trouve, prépare, boit, veut, mange, perd, connaît,
            répare""",
            objects="""une soupe chaude, le parapluie rouge, sept pommes, le vélo cassé, deux livres,
            du pain frais, un beau poème, la bouteille vide, la clé, un grand bateau, le
            repas, des chaussures bleues, du beurre, une lettre, la montagne, un peu de
            lait, la vérité, huit huîtres, un bonbon, le journal""",
            places="""derrière la maison, dans la cuisine, à la gare, sous le pont, sur le toit, à
            Toulouse, au bord de la mer, près de l'église, dehors, dans la forêt, au marché,
            là-bas""",
            times="""hier, demain matin, à cinq heures et demie, chaque été, avant le déjeuner, ce
            soir, en juin, après l'orage, mercredi, parfois, maintenant, toute la nuit""",
            joiners="et, mais, parce que, pendant que, ou, puis, donc, quand",
        ),
        "es": _lexicon(
            openings="""buenos días, oye, sabes, quizás, por supuesto, perdón, muchas gracias, mira,
            vale, de verdad, bueno, a propósito, qué bien""",
            subjects="""el viejo pescador, mi hermana pequeña, toda la orquesta, nuestro vecino, la
            maestra, un niño, el cartero, nadie, la reina, mi abuelo, una mujer alegre, el
            perro blanco, Guillermo, la luna, el público, un joven pintor""",
            verbs="""lleva, olvida, pinta, busca, abre, lava, elige, empuja, compra, describe,
            quiere, escucha, muestra, esconde, encuentra, prepara, bebe, come, pierde,
            conoce, arregla, rompe""",
            objects="""una sopa caliente, el paraguas rojo, siete manzanas, la bicicleta rota, dos
            libros, pan fresco, un poema bonito, la botella vacía, la llave, un barco
            grande, la comida, zapatos azules, mantequilla, una carta, la montaña, un poco
            de leche, la verdad, ocho huevos, un caramelo, el periódico""",
            places="""detrás de la casa, en la cocina, en la estación, bajo el puente, sobre el
            tejado, en Sevilla, cerca del mar, junto a la iglesia, afuera, en el bosque, en
            el mercado, allí""",
            times="""ayer, mañana por la mañana, a las cinco y media, cada verano, antes del
            desayuno, esta noche, en junio, después de la lluvia, el miércoles, a veces,
            ahora, toda la noche""",
            joiners="y, pero, porque, mientras, aunque, o, hasta que, entonces",
        ),
        "it": _lexicon(
            openings="""buongiorno, ascolta, sai, forse, certo, scusi, grazie mille, guarda, va bene,
            davvero, mamma mia, allora, comunque""",
            subjects="""il vecchio pescatore, mia sorella, tutta l'orchestra, il nostro vicino, la
            maestra, un bambino, il postino, nessuno, la regina, mio nonno, una signora
            allegra, il cane bianco, Giuseppe, la luna, il pubblico, un giovane pittore""",
            verbs="""porta, dimentica, dipinge, cerca, apre, lava, sceglie, spinge, compra, descrive,
            vuole, ascolta, mostra, nasconde, trova, prepara, beve, mangia, perde, conosce,
            aggiusta""",
            objects="""una zuppa calda, l'ombrello rosso, sette mele, la bicicletta rotta, due libri,
            il pane fresco, una bella poesia, la bottiglia vuota, la chiave, una grande
            barca, il pranzo, le scarpe blu, il burro, una lettera, la montagna, un po' di
            latte, la verità, otto uova, gli gnocchi, il giornale""",
            places="""dietro la casa, in cucina, alla stazione, sotto il ponte, sul tetto, a Bologna,
            vicino al mare, accanto alla chiesa, fuori, nel bosco, al mercato, laggiù""",
            times="""ieri, domani mattina, alle cinque e mezza, ogni estate, prima di colazione,
            stasera, a giugno, dopo la pioggia, mercoledì, qualche volta, adesso, tutta la
            notte""",
            joiners="e, ma, perché, mentre, anche se, o, finché, quindi",
        ),
        "pt": _lexicon(
            openings="""bom dia, olha, sabes, talvez, claro, desculpe, muito obrigado, pois, está bem,
            meu Deus, na verdade, então""",
            subjects="""o velho pescador, minha irmã, toda a orquestra, nosso vizinho, a professora, um
            menino, o carteiro, ninguém, a rainha, meu avô, uma mulher alegre, o cão branco,
            João, a lua, um jovem pintor""",
            verbs="""leva, esquece, pinta, procura, abre, lava, escolhe, empurra, compra, descreve,
            quer, escuta, mostra, esconde, encontra, prepara, bebe, come, perde, conhece,
            conserta""",
            objects="""uma sopa quente, o guarda-chuva vermelho, sete maçãs, a bicicleta quebrada, dois
            livros, pão fresco, um poema bonito, a garrafa vazia, a chave, um barco grande,
            o almoço, sapatos azuis, manteiga, uma carta, a montanha, um pouco de leite, a
            verdade, oito ovos, o jornal""",
            places="""atrás da casa, na cozinha, na estação, debaixo da ponte, em cima do telhado, no
            Porto, perto do mar, ao lado da igreja, lá fora, na floresta, no mercado""",
            times="""ontem, amanhã de manhã, às cinco e meia, todo verão, antes do almoço, esta
            noite, em junho, depois da chuva, na quarta-feira, às vezes, agora""",
            joiners="e, mas, porque, enquanto, embora, ou, até que, depois",
        ),
        "pl": _lexicon(
            openings="""dzień dobry, słuchaj, wiesz, może, oczywiście, przepraszam, dziękuję bardzo,
            zobacz, dobrze, naprawdę, ojej, więc""",
            subjects="""stary rybak, moja siostra, cała orkiestra, nasz sąsiad, nauczycielka, małe
            dziecko, listonosz, nikt, królowa, mój dziadek, wesoła pani, biały pies,
            Małgorzata, księżyc, młody malarz""",
            verbs="""niesie, zapomina, maluje, szuka, otwiera, myje, wybiera, pcha, kupuje, opisuje,
            kocha, słyszy, pokazuje, chowa, znajduje, gotuje, pije, je, gubi, zna, naprawia""",
            objects="""gorącą zupę, czerwony parasol, siedem jabłek, zepsuty rower, dwie książki,
            świeży chleb, piękny wiersz, pustą butelkę, klucz, wielką łódź, obiad,
            niebieskie buty, masło, długi list, wysoką górę, trochę mleka, prawdę, osiem
            jajek, gazetę""",
            places="""za domem, w kuchni, na dworcu, pod mostem, na dachu, w Krakowie, nad morzem,
            obok kościoła, na zewnątrz, w lesie, na rynku, daleko""",
            times="""wczoraj, jutro rano, o wpół do szóstej, każdego lata, przed śniadaniem, dziś
            wieczorem, w czerwcu, po burzy, w środę, czasami, teraz""",
            joiners="i, ale, ponieważ, kiedy, chociaż, albo, aż, potem",
        ),
        "nl": _lexicon(
            openings="""goedemorgen, luister, weet je, misschien, natuurlijk, pardon, dank je wel, kijk
            eens, nou ja, eerlijk gezegd, trouwens""",
            subjects="""de oude visser, mijn kleine zus, het hele orkest, onze buurman, de juffrouw, een
            kind, de bakker, niemand, de koningin, mijn opa, een vrolijke vrouw, de witte
            hond, Wouter, de maan, een jonge schilder""",
            verbs="""draagt, vergeet, schildert, zoekt, opent, wast, kiest, duwt, koopt, beschrijft,
            houdt van, hoort, toont, verstopt, vindt, kookt, drinkt, eet, verliest, kent,
            repareert""",
            objects="""warme soep, de rode paraplu, zeven appels, de kapotte fiets, twee boeken, vers
            brood, een mooi gedicht, de lege fles, de sleutel, een grote boot, het eten,
            blauwe schoenen, boter, een brief, de hoge berg, een beetje melk, de waarheid,
            acht eieren, de krant""",
            places="""achter het huis, in de keuken, op het station, onder de brug, op het dak, in
            Utrecht, aan zee, naast de kerk, buiten, in het bos, op de markt""",
            times="""gisteren, morgenvroeg, om half zes, elke zomer, voor het ontbijt, vanavond, in
            juni, na de storm, op woensdag, soms, nu""",
            joiners="en, maar, omdat, terwijl, hoewel, of, totdat, daarna",
        ),
    }
